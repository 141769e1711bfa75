"""The paper's tables and figures, and the studies around them, each from one command.

A study is a list of rows (models); each row is trained with several seeds; a row with a seed is a
cell. Cells are independent: ranks and jobs of an array take them in turn, and what is stored is not
computed again.
"""
