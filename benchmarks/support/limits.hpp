#pragma once

/// \file
/// What bounds a case: rates of this machine, measured in the process that also measures the case.

#include <selfsame/core/execution.hpp>
#include <vector>

namespace benchmarks {

/// An array of zeros in large pages where the system has them: for memory whose bandwidth is what counts.
template <class E>
std::vector<E> make_large(std::size_t count) {
    std::vector<E> array;
    array.reserve(count);
    selfsame::detail::prefer_huge_pages(reinterpret_cast<std::uint8_t*>(array.data()), count * sizeof(E));
    array.resize(count);
    return array;
}

struct limit {
    const char* name;                ///< for people
    const char* counter;             ///< what the work is counted in
    double (*measure)(int threads);  ///< its rate a second, by one short measurement
};

/// Multiply-adds of float, two operations each, in the instruction set that this program is compiled for.
extern const limit float_fma;
/// The same of products of bfloat16.
extern const limit bfloat16_fma;
/// Bytes of memory, far beyond the caches, that are read.
extern const limit memory_read;
/// Bytes that are read and written where memory is copied, past the caches.
extern const limit memory_copy;

/// `measure` of a limit for work that reads so many arrays of a size and writes so many, past the caches: as much as a
/// copy for each that is written, and reads.
template <int Reads, int Writes>
double read_and_write(int threads) {
    static_assert(Reads >= Writes);
    const double read = memory_read.measure(threads), copy = memory_copy.measure(threads);
    return (Reads + Writes) / ((Reads - Writes) / read + 2 * Writes / copy);
}

}  // namespace benchmarks
