"""What this product takes for granted about both services, and whether it holds where one asks: reads only, unless told."""
