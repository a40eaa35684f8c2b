"""What hears: networks that turn sound into vectors, without their last layer."""
