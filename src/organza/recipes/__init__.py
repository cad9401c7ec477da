"""Recipes: functions that return one, gathered by subject."""
