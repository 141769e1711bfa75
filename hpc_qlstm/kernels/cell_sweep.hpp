// The LSTM cell and the gates' circuits of one process over the time steps of a batch, tied to the
// arrays that collectives fill and send: what lies between two collectives is one call. The values
// are those of Cell and PartitionSweep, bit for bit. Knows neither Python nor MPI.
#pragma once

#include <cstddef>
#include <vector>

#include "cell.hpp"
#include "partition_sweep.hpp"

namespace hpc_qlstm {

// Arrays of the way forward, row-major; B samples, T steps, d_x inputs, d_h hidden units. The
// circuits fill `outputs` (4, B, width), of which an Allgather makes `gathered` (P, 4, B, width);
// part p has counts[p] outputs. state (B, d_h): h_t, for step t + 1. read: h_t of every step
// (T, B, d_h), or of the last alone. One part is not gathered: `gathered` is `outputs` then.
struct CellForward {
    std::size_t threads;
    const double* x;
    std::size_t inputs;
    const double* weights;
    double* outputs;
    std::size_t width;
    const double* gathered;
    std::vector<std::size_t> counts;
    double* state;
    std::size_t hidden;
    double* read;
    bool sequence;
    bool updates;  // whether this process updates the cell: `update`, `cell_backward` and `scatter_input_gradients`
};

// Arrays of the way back. grad_read: derivatives by `read`; rows (B, row_size): gradients of the
// local weights are added; grad_inputs (B, width): by what the circuits read, gathered as (P, B,
// width), of which `columns` says where in v_t they go; h_{t-1} begins there at `hidden_begin`, x_t
// at `inputs_begin`. cotangents (4, B, d_h). grad_x (B, T, d_x): by the inputs, or null.
struct CellReverse {
    const double* grad_read;
    double* rows;
    std::size_t row_size;
    double* grad_inputs;
    std::size_t width;
    const double* gathered;
    const ColumnList* columns;
    std::size_t hidden_begin, inputs_begin;
    double* cotangents;
    double* grad_x;
};

class CellSweep {
  public:
    // The gates must outlive it. kernel: of the cell.
    CellSweep(PartitionSweep& gates, const Kernel& kernel) : gates_(gates), cell_(kernel, 0, 0) {}

    // A sweep begins, of so many steps and samples as that of the gates: h_0 = 0.
    void start(CellForward arrays);
    // Outputs of step t from the state.
    void evaluate(std::size_t t);
    // The state after step t, and what is read of it, from the gathered outputs.
    void update(std::size_t t);
    // update(t - 1), and evaluate(t).
    void forward_step(std::size_t t);

    void start_back(const CellReverse& arrays);
    // Cotangents of step t's outputs, from what is read and from step t + 1.
    void cell_backward(std::size_t t);
    // Gradients of weights and of what is read at step t, from the cotangents.
    void reverse(std::size_t t);
    // The gathered gradients of step t's v_t; `cell_backward` of step t - 1 needs them.
    void scatter_input_gradients(std::size_t t);
    // scatter_input_gradients(t + 1), cell_backward(t) and reverse(t).
    void backward_step(std::size_t t);

    // After `start`: h_0 and c_0 (B, d_h) instead of zeros; c0 where this process updates the cell.
    void set_state(const double* h0, const double* c0);
    // c_T (B, d_h), after the last `update`.
    const double* state() const { return cell_.state(); }
    // After `start_back`: the cotangents of h_T and c_T (B, d_h) instead of zeros.
    void set_grad_state(const double* grad_h, const double* grad_c);
    // The cotangents of h_0 and c_0 (B, d_h), after the way back.
    void grad_state(double* grad_h, double* grad_c) const;

    std::size_t steps() const { return gates_.steps(); }
    bool updates() const { return in_.updates; }

  private:
    const double* merged();

    PartitionSweep& gates_;
    Cell cell_;
    CellForward in_{};
    CellReverse back_{};
    std::vector<double> z_, grad_v_, grad_state_;
};

}  // namespace hpc_qlstm
