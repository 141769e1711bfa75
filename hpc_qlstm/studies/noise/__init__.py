"""The noise study: R2 against depolarizing rate and shots."""
