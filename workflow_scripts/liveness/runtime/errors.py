"""The exception whose message is written for the user."""


class InputError(ValueError):
    """The user's input is wrong: a file, a setting or the environment.

    The message is one sentence that says what is wrong, in which file and row, what was expected
    and what to do. Scripts print it without a traceback.
    """
