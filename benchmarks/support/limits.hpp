#pragma once

/// \file
/// What bounds a case: rates of this machine, measured in the process that also measures the case.

namespace benchmarks {

struct limit {
    const char* name;                ///< for people
    const char* counter;             ///< what the work is counted in
    double (*measure)(int threads);  ///< its rate a second, by one short measurement
};

/// Multiply-adds of float, two operations each, in the instruction set that this program is compiled for.
extern const limit float_fma;
/// The same of products of bfloat16.
extern const limit bfloat16_fma;

/// Measures the limit once more with this many threads.
void measure(const limit& l, int threads);

/// The highest rate measured so far with this many threads.
double highest_rate(const limit& l, int threads);

}  // namespace benchmarks
