#pragma once

#include <thrust/execution_policy.h>

#include "../cuda/shipped_pictures.hpp"
#include "recorder.hpp"
#include "selfsame/augment/augment.hpp"

/// \file
/// The calls of shipped_images.hpp, written down with the results of the host's engine.

namespace selfsame_tests {

inline void place(recording& to, const pictures& x) {
    to.buffer("bytes", std::span(x.bytes));
    to.buffer("floats", std::span(x.floats));
    to.buffer("of_bytes", std::span(x.of_bytes));
    to.buffer("of_floats", std::span(x.of_floats));
    to.buffer("drawn", x.drawn_span());
    to.buffer("masks", std::span(x.masks));
    to.buffer("weights", std::span(x.weights));
}

/// Parameters agree in all bits: two that differ in one are not within any tolerance of each other.
inline void expect(recording& to, const pictures& x) {
    to.expect("of_bytes", std::span(x.of_bytes), 1e-4);
    to.expect("of_floats", std::span(x.of_floats), 1e-3);
    to.expect("drawn", x.drawn_span(), 0);
    to.expect("masks", std::span(x.masks), 0);
    to.expect("weights", std::span(x.weights), 0);
}

inline void record_images(std::ostream& file) {
    using selfsame::memory_space;
    std::vector<pictures> after;
    pictures host, device;
    call_images<memory_space::host>(thrust::seq, host.of_calls(), [&](const char*) { after.push_back(host); });

    recording current;
    std::vector<std::unique_ptr<std::byte[]>> scratch;
    recorder policy;
    policy.to = &current;
    policy.memory = &scratch;
    place(current, device);
    std::size_t done = 0;
    call_images<memory_space::device>(policy, device.of_calls(), [&](const char* name) {
        expect(current, after[done]);
        current.write(file, name);
        // The next call begins with this one's results, in the same place.
        device = after[done++];
        current = recording();
        scratch.clear();
        place(current, device);
    });
}

}  // namespace selfsame_tests
