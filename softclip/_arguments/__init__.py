"""What may be passed to a public function: `arguments` checks it and brings it to x, `resolve` makes a Squash of g.

`compute` is what all public functions do with it.
"""
