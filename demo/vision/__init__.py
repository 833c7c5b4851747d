"""The recipe of demo-vision: pictures it draws itself, talk about them, training and figures.

Never imported by the package. `python -m demo.vision --help` runs it all again.
"""
