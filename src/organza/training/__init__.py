"""Training: the state, the step, the loop, and the launch of a run from data, recipe, plan and folder."""
