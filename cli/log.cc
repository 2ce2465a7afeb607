#include "cli/log.h"

#include <cerrno>
#include <memory>
#include <vector>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

namespace claimfs::cli {
namespace {

// One JSON object a line.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const nlohmann::json document = {
        {"level", std::string(level.data(), level.size())},
        {"message", std::string(message.payload.data(), message.payload.size())}};
    // The time first, as a reader of logs expects; its pattern needs no escaping.
    time_.format(message, line);
    const std::string rest =
        document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    line.append(rest.data() + 1, rest.data() + rest.size());
    line.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }

 private:
  spdlog::pattern_formatter time_{R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",)",
                                  spdlog::pattern_time_type::utc, ""};
};

constexpr const char* kName = "claimfs";

// What the logger writes to, and where that goes.
using Outlet = spdlog::sinks::dist_sink_mt;
Outlet& outlet_of(const spdlog::logger& logger) {
  return static_cast<Outlet&>(*logger.sinks().front());
}

}  // namespace

Result<void> set_up_log(const config::Config& config, LogTarget target) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  const bool is_syslog = target == LogTarget::Configured && config.log_file.empty();
  try {
    if (target == LogTarget::Stderr) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else if (is_syslog) {
      sink = std::make_shared<spdlog::sinks::syslog_sink_mt>("claimfs", LOG_PID, LOG_DAEMON,
                                                             /*enable_formatting=*/true);
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.log_file);
    }
  } catch (const spdlog::spdlog_ex& error) {
    return failure(EIO, "log.file " + config.log_file + " cannot be opened: " + error.what());
  }
  if (config.log_format == config::LogFormat::Json) {
    sink->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    // syslog has its own time.
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        is_syslog ? "level=%l %v" : "time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v",
        spdlog::pattern_time_type::utc));
  }
  if (const auto current = spdlog::get(kName)) {
    // Others log at this moment: they keep their logger, and find another end of it.
    outlet_of(*current).set_sinks({std::move(sink)});
    current->set_level(spdlog::level::from_str(config.log_level));
    return {};
  }
  const std::vector<spdlog::sink_ptr> sinks = {std::move(sink)};
  auto logger = std::make_shared<spdlog::logger>(kName, std::make_shared<Outlet>(sinks));
  logger->set_level(spdlog::level::from_str(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace claimfs::cli
