"""The clipping functions: all mathematics of a g, and nothing else. It imports nothing of the rest of the package.

`operations` lists the elementary operations in which it is written. `squash` is what a user declares; `odd` is what the
package's own functions have in common, `light_tails`, `heavy_tails`, `kneed`, `algebraic` and `knee` are these
functions, and `hinge` is the clip with rounded corners. `named` has them by name.

To add a function, write its class here and name it in `named`. Add its formula from the literature to tests/oracle.py.
"""
