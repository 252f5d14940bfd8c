"""The launcher of pyspider's components: no message is gone before its outcome is stored. Runs under Python 2.7.

pyspider's own files stay as they are. All that must differ is put over its classes by wiring.py, in one place.
"""
