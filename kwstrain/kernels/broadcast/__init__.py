"""Kernels of BC-ResNet, some of which DS-CNN shares: arrays (clips, frames, bands, channels), 8 channels in a vector, one clip at a time."""
