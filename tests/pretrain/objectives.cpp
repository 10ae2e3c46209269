#include <gtest/gtest.h>
#include <torch/torch.h>

#include "objective.hpp"
#include "views.hpp"

namespace pretrain {
namespace {

constexpr std::int64_t batch = 6;

std::shared_ptr<objective> make(const std::string& name) {
    options settings;
    settings.objective = name;
    settings.prototypes = 5;
    settings.local_views = 1;
    return find_objective(name)->make(settings, 1, batch, 3);
}

view_batch some_views() {
    torch::manual_seed(1);
    const image_set images{28, 28, 1, {}, {}};
    const view_size whole = size_of(view_kind::global, images), part = size_of(view_kind::local, images);
    return {torch::randn({2 * batch, 1, whole.height, whole.width}), torch::randn({batch, 1, part.height, part.width})};
}

bool has_gradient(const torch::Tensor& x) { return x.grad().defined() && x.grad().abs().max().item<double>() > 0; }

TEST(Objectives, ReachTheEncoderAndPrototypesThatAreNotFrozen) {
    for (const std::string name : {"ntxent", "swav", "dino"}) {
        const auto task = make(name);
        encoder_impl network(1, 3);
        task->loss(network, some_views(), {0, 100}).backward();
        for (const torch::Tensor& weight : network.parameters()) EXPECT_TRUE(has_gradient(weight)) << name;
        for (const torch::Tensor& own : task->parameters()) EXPECT_FALSE(own.grad().defined()) << name;
        task->loss(network, some_views(), {50, 100}).backward();
        for (const torch::Tensor& own : task->parameters()) {
            EXPECT_EQ(has_gradient(own), own.requires_grad()) << name;
        }
        EXPECT_EQ(task->prototypes().rows.defined(), name != "ntxent");
    }
}

TEST(Objectives, PrototypesKeepTheirLength) {
    for (const char* name : {"swav", "dino"}) {
        const auto task = make(name);
        encoder_impl network(1, 3);
        const torch::Tensor own = task->named_parameters(false)["prototypes"];
        EXPECT_TRUE(torch::allclose(own.norm(2, {1}), torch::ones({5}))) << name;
        {
            const torch::NoGradGuard no_grad;
            own.mul_(torch::arange(1, 6).unsqueeze(1));
        }
        task->after_step(network, {0, 100});
        EXPECT_TRUE(torch::allclose(own.norm(2, {1}), torch::ones({5}))) << name;
    }
}

TEST(Objectives, SwavAssignsWithTheQueueOnceItIsFull) {
    const auto task = make("swav");
    encoder_impl network(1, 3);
    const torch::Tensor queue = task->named_buffers()["queue"];
    ASSERT_GT(queue.size(0), 0);
    const std::int64_t batches = queue.size(0) / (2 * batch);
    for (std::int64_t step = 0; step < batches; ++step) {
        EXPECT_EQ(queue.norm(2, {1}).eq(0).sum().item<std::int64_t>(), 2 * batch * (batches - step));
        task->loss(network, some_views(), {step, 100});
    }
    EXPECT_EQ(queue.norm(2, {1}).eq(0).sum().item<std::int64_t>(), 0);
    queue.copy_(torch::randn_like(queue));  // the same views again would change no code
    const auto value = [&](std::int64_t step) { return task->loss(network, some_views(), {step, 100}).item<double>(); };
    EXPECT_NE(value(0), value(batches)) << "a queue that is not full takes no part";
}

TEST(Objectives, DinosTeacherFollowsTheEncoderAndIsWhatIsKept) {
    const auto task = make("dino");
    const auto network = std::make_shared<encoder_impl>(1, 3);
    const encoder teacher = task->kept(network);
    ASSERT_NE(teacher, network);
    {
        const torch::NoGradGuard no_grad;
        for (torch::Tensor& weight : network->parameters()) weight += 1;
    }
    const torch::Tensor before = teacher->parameters()[0].clone();
    task->after_step(*network, {0, 100});
    const torch::Tensor moved = (teacher->parameters()[0] - before) / (network->parameters()[0] - before);
    EXPECT_GT(moved.min().item<double>(), 0);
    EXPECT_LT(moved.max().item<double>(), 0.1);
    EXPECT_TRUE(torch::allclose(moved, moved.mean(), 1e-3));
}

TEST(Objectives, DinosCenterMovesOnceAStep) {
    const auto task = make("dino");
    encoder_impl network(1, 3);
    const torch::Tensor center = task->named_buffers(false)["center"];
    EXPECT_EQ(center.abs().max().item<double>(), 0);
    task->loss(network, some_views(), {0, 100});
    const torch::Tensor once = center.clone();
    EXPECT_GT(once.abs().max().item<double>(), 0);
    task->loss(network, some_views(), {0, 100});
    EXPECT_TRUE(torch::allclose(center, 1.9 * once, 1e-3, 1e-5)) << "of the same rows: 0.9 once + 0.1 mean";
}

}  // namespace
}  // namespace pretrain
