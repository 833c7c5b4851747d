"""What shuts a process in, by the process itself, before it runs code that nobody has read.

Everything here runs in the process that is to be shut in, needs no rights and no packages, and imports only the
standard library. Each part says whether it holds; `confine` puts them together and reports.
"""
