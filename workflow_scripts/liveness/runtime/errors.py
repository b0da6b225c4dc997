"""The one exception whose text is written for the person at the keyboard."""


class InputError(ValueError):
    """Something that the user handed in is wrong.

    The message is one sentence: what is wrong, in which file and row, what was expected, what to do.
    Scripts print it without a traceback.
    """
