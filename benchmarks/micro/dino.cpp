// DINO's loss: two teacher views, sharpened and centred, against ten student views.
#include <thrust/system/omp/execution_policy.h>
#include <memory>
#include <random>
#include <selfsame/objective/soft_cross_entropy.hpp>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

using selfsame::index_t;

constexpr int teachers = 2, students = 10;

// Logits of every view must be read once, and gradients of the students' be written once: a sample's rows stay in
// cache in between, and its targets are never in memory.
const limit reads_and_writes{"12 reads, 10 writes", "bytes", read_and_write<teachers + students, students>};

struct matrices {
    std::vector<float> teacher, student, center, gradient;
    matrices(index_t samples, index_t prototypes, bool with_gradient)
        : teacher(make_large<float>(static_cast<std::size_t>(teachers * samples * prototypes))),
          student(make_large<float>(static_cast<std::size_t>(students * samples * prototypes))),
          center(static_cast<std::size_t>(prototypes)) {
        if (with_gradient) gradient = make_large<float>(student.size());
        std::minstd_rand random(1);
        for (auto* logits : {&teacher, &student, &center}) {
            for (float& x : *logits) x = static_cast<float>(random()) / 0x1p30f - 1;
        }
    }
};

void add_dino(index_t samples, index_t prototypes, int threads, bool with_gradient) {
    const std::string name = std::string(with_gradient ? "dino_value_and_grad" : "dino_value") + "/B:" +
                             std::to_string(samples) + "/K:" + std::to_string(prototypes) + "/views:" +
                             std::to_string(teachers) + "+" + std::to_string(students) + "/threads:" +
                             std::to_string(threads);
    const double matrix_bytes = static_cast<double>(samples) * static_cast<double>(prototypes) * sizeof(float);
    const double passes = teachers + (with_gradient ? 2 : 1) * students;
    const limit& bound = with_gradient ? reads_and_writes : memory_read;
    add_case(name, {passes * matrix_bytes, bound, threads}, [=] {
        const auto m = std::make_shared<matrices>(samples, prototypes, with_gradient);
        return [=] {
            using selfsame::matrix;
            const selfsame::context ctx{thrust::omp::par, threads};
            const selfsame::dino loss{.pairing = {teachers, students}};
            const selfsame::views inputs{
                matrix(static_cast<const float*>(m->teacher.data()), teachers * samples, prototypes),
                matrix(static_cast<const float*>(m->student.data()), students * samples, prototypes),
                selfsame::vector(static_cast<const float*>(m->center.data()), prototypes)};
            [[maybe_unused]] volatile float kept =
                with_gradient ? selfsame::value_and_grad(ctx, loss, inputs,
                                                         matrix(m->gradient.data(), students * samples, prototypes))
                              : selfsame::forward(ctx, loss, inputs);
        };
    });
}

const cases dino([] {
    for (const int threads : {1, 2}) {
        for (const bool with_gradient : {false, true}) {
            add_dino(256, 65536, threads, with_gradient);
            add_dino(512, 3000, threads, with_gradient);
        }
    }
});

}  // namespace
}  // namespace benchmarks
