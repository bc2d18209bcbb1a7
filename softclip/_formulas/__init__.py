"""How f, its derivatives and its inverse are put together from a clipping function and the bounds.

`formulas` has the formulas and `partials` their derivatives in the bounds, `constants` what they take besides x and a
glossary of the words, and `plan` chooses the formula and has the constants made: `plan_numbers` exactly, from bounds
that are numbers, `plan_known` from NumPy arrays, whose values can be read, and `plan_arrays` in an array library's
operations. `program` records a formula as a list of operations, which `kernel` writes as C. `formats` knows the
floating-point formats, `checks` what bounds may be, and `call` what is asked for.

To change how constants are computed, open the three `plan_` files: a function stands in each under the same name.
"""
