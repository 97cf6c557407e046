"""Keep a Salto KS site in step with Hector: the rules of access, and the steps of a run around them."""
