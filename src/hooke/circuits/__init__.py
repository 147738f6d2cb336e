"""Attribution graphs: what a model's answer on one prompt is made of, and the proof by intervention."""
