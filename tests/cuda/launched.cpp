#include <cxxabi.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "fiber_machine.hpp"

// Where the environment names a file in SELFSAME_LAUNCHED, it gets the kernels that the tests ran: kernels.py compares
// them with those that were compiled.

namespace {

class write_launched : public testing::Environment {
  public:
    void TearDown() override {
        const char* path = std::getenv("SELFSAME_LAUNCHED");
        if (path == nullptr) return;
        std::ofstream file(path);
        for (const auto& name : selfsame_tests::launched()) {
            int status = 0;
            char* readable = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
            file << (status == 0 ? readable : name.c_str()) << "\n";
            std::free(readable);
        }
    }
};

[[maybe_unused]] const auto* environment = testing::AddGlobalTestEnvironment(new write_launched);

}  // namespace
