"""Kernels of BC-ResNet, and DS-CNN: arrays (clips, frames, bands, channels), 8 channels in a vector, a clip at a time."""
