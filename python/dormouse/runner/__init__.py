"""The program inside an instance of Python code: ``python3 -m dormouse.runner``, started by the launcher. docs/python.md says what it serves."""
