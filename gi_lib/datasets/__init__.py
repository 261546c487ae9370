"""Where data come from, and the labelled arrays that everything shares."""
