"""The paper's tables and figures, and the studies around them, each from one command.

A study is a list of rows (models); each row is trained with several seeds; a row with a seed is a
trial. Each study has its rows and its report; `settings` has what was chosen and tried, as data.
"""
