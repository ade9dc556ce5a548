"""What tests across distributions share: a kernel in the test's own loop, and plugins on raw stubs."""
