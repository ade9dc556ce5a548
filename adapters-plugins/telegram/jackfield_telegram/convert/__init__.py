"""Pure functions between the Bot API's objects and the SDK's."""
