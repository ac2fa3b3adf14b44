"""Small networks beside F that tell from the input and its reconstruction whether a cell is damaged."""
