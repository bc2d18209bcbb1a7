"""How each array library runs a formula: one file for each, and `find`, which tells the library of an array.

`standard` does it for any library that follows the Python array API standard, and lists what a library may do in its
own way. To add a library, subclass its `Library` in a file here, and name that file in `find`. `dask` is a short
example.
"""
