"""The rules: who may open which door, and in what order Salto KS is brought there. Frames and a clock in, frames out."""
