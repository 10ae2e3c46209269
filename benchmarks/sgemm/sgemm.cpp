// OpenBLAS's SGEMM, the usual yardstick, on the kernels that it picked or OPENBLAS_CORETYPE names. Kernels that crash
// end this program, and it ends itself where they compute wrongly: a processor may not be what OpenBLAS takes it for.
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

constexpr int size = 2048;

struct product {
    std::vector<float> a, b, c;

    product() : a(size * size), b(size * size), c(size * size) {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (float& x : a) x = normal(random);
        for (float& x : b) x = normal(random);
    }
    // C = A B^T, as similarities are.
    void run() {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, size, size, size, 1.0f, a.data(), size, b.data(), size,
                    0.0f, c.data(), size);
    }
    // Some elements of every block of the result, in double.
    double largest_error() const {
        double largest = 0;
        for (std::size_t i = 0; i < size; i += 31) {
            for (std::size_t j = 0; j < size; j += 29) {
                double sum = 0;
                for (std::size_t k = 0; k < size; ++k) sum += double(a[i * size + k]) * double(b[j * size + k]);
                const double error = std::abs(sum - double(c[i * size + j]));
                largest = error <= largest ? largest : error;  // NaN stays
            }
        }
        return largest;
    }
};

const cases sgemm([] {
    for (const int threads : {1, 2}) {
        add_case("sgemm/N:" + std::to_string(size) + "/threads:" + std::to_string(threads) +
                     "/core:" + openblas_get_corename(),
                 {.amount = 2.0 * size * size * size, .bound = float_fma, .threads = threads}, [threads] {
                     openblas_set_num_threads(threads);
                     const auto p = std::make_shared<product>();
                     p->run();
                     if (const double error = p->largest_error(); !(error < 1e-2)) {
                         std::fprintf(stderr, "error: OpenBLAS's %s kernels compute wrongly here: off by %g\n",
                                      openblas_get_corename(), error);
                         std::exit(1);
                     }
                     return [p] { p->run(); };
                 });
    }
});

}  // namespace
}  // namespace benchmarks
