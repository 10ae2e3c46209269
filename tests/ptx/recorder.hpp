#pragma once

#include <cxxabi.h>
#include <thrust/execution_policy.h>
#include <thrust/system/cpp/execution_policy.h>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include "record.hpp"
#include "selfsame/engine/cuda/block_context.hpp"
#include "selfsame/engine/cuda/machine.hpp"

/// \file
/// An execution policy with which the device's engines run nothing: what they would launch is written down.

namespace selfsame_tests {

struct recorder : thrust::system::cpp::detail::execution_policy<recorder> {
    recording* to = nullptr;
    std::vector<std::unique_ptr<std::byte[]>>* memory = nullptr;  // scratch; it lives as long as the recording
    selfsame::index_t room = 100;                                 // for blocks that live at the same time
};

template <class T>
thrust::pair<T*, std::ptrdiff_t> get_temporary_buffer(recorder& policy, std::ptrdiff_t count) {
    const auto size = static_cast<std::size_t>(count) * sizeof(T);
    policy.memory->push_back(std::make_unique<std::byte[]>(size));
    std::byte* begin = policy.memory->back().get();
    policy.to->scratch("scratch" + std::to_string(policy.memory->size()), {begin, size});
    return {reinterpret_cast<T*>(begin), count};
}
template <class Pointer>
void return_temporary_buffer(recorder&, Pointer, std::ptrdiff_t) {}

inline std::string readable(const std::type_info& type) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                           &std::free);
    return status == 0 ? name.get() : type.name();
}

}  // namespace selfsame_tests

template <>
inline constexpr selfsame::memory_space selfsame::memory_of<selfsame_tests::recorder> = selfsame::memory_space::device;

template <>
struct selfsame::device::machine<selfsame_tests::recorder> {
    static constexpr index_t enough_blocks = 2;  // few: they are run one after the other
    static constexpr index_t slab_bytes = 128 << 10, slab_columns = 256;

    explicit machine(const selfsame_tests::recorder& policy) : to(policy.to), room(policy.room) {}

    template <class Kernel>
    void launch(index_t blocks, const Kernel& kernel) const {
        if (blocks == 0) return;
        // What does not fit into a block's 48 KB of static shared memory is asked for at the launch.
        constexpr std::size_t dynamic =
            sizeof(typename Kernel::shared) <= (48 << 10) ? 0 : sizeof(typename Kernel::shared);
        Kernel told = kernel;
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
        __builtin_clear_padding(&told);  // what was in that memory before may look like an address
#endif
#endif
        to->launch("run<" + selfsame_tests::readable(typeid(Kernel)) + ">(", {blocks, 1, 1}, {Kernel::threads, 1, 1},
                   dynamic, {std::as_bytes(std::span(&told, 1))}, selfsame::device::lives_together<Kernel>);
    }
    template <class Kernel>
    bool has_room(index_t blocks) const {
        return blocks <= room;
    }
    selfsame_tests::recording* to;
    index_t room;
};
