"""A page that listens: the runtime in JavaScript, and how a page is made of it."""
