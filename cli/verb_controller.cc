#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stop_token>
#include <thread>

#include <spdlog/spdlog.h>

#include "backends/host_path/ground.h"
#include "cli/log.h"
#include "cli/verbs.h"
#include "control/controller.h"

namespace claimfs::cli {

Outcome<ExitStatus> run_controller(Context& context, bool until_settled) {
  const auto ground = backends::host_path_ground();
  if (until_settled) {
    control::Controller controller(*context.store, control::system_clock(), *ground,
                                   controller_settings(context.config, /*with_node=*/true));
    const auto settled = controller.settle();
    if (!settled) return tl::unexpected(failure_of(settled.error()));
    return ExitStatus::Done;
  }
  if (const auto log = set_up_log(context.config, LogTarget::Stderr); !log) {
    return fail(ExitStatus::InvalidConfiguration, log.error().message());
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::jthread controller([&context, &ground](std::stop_token stop) {
    const std::string holder = context.config.node + " pid " + std::to_string(::getpid());
    control::Controller(*context.store, control::system_clock(), *ground,
                        controller_settings(context.config, /*with_node=*/true))
        .run(std::move(stop), holder, [](const Error& error) {
          spdlog::error("store=failed reason=\"{}\"", error.message());
        });
  });
  spdlog::info("controller=up store={} node={}", context.config.store, context.config.node);
  int signal = 0;
  sigwait(&signals, &signal);
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
