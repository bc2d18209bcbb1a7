"""How each array library runs a formula: one file for each, and `find`, which tells the library of an array.

`standard` does it for any library that follows the Python array API standard, and lists what a library may do in its
own way. `pieces` runs programs with bounds that are arrays, for NumPy and torch. torch has a file for each way in which
it runs: `torch` itself, with the derivatives, whose rules are in `torch_rules`; `torch_blocks` for tensors in main
memory, and `torch_kernels` for those on a GPU; `torch_in_place` for results that are written into a tensor; and
`torch_graph`, `torch_symbols` and `torch_fx` for what is traced.

To add a library, subclass the `Library` of `standard` in a file here, and name that file in `find`. `dask` is short.
"""
