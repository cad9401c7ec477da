"""Training: the state, the step, the loop around it, and what brings data, recipe, plan and folder together."""
