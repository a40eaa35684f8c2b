"""Where corpus, audio, augmentation, features and dataset meet."""
