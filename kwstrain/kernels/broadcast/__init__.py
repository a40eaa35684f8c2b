"""Kernels of BC-ResNet: arrays (clips, frames, bands, channels), 8 channels in a vector, one clip at a time."""
