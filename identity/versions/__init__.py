"""The versions of a crosswalk: ids that survive, publishing, plans and going back, the history of ids."""
