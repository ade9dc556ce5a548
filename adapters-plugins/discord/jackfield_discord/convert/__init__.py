"""Between native objects and the common ones: functions without effects."""
