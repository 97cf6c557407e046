"""What this product takes for granted about both services, and whether it holds where one asks: by reads alone, unless writes are asked for."""
