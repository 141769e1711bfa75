"""`python -m hpc_qlstm` is `hpc-qlstm`."""

from hpc_qlstm.cli import main

if __name__ == "__main__":
    main()
