"""Networks that can begin with ImageNet weights."""
