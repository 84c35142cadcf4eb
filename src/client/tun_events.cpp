#include "client/tun_events.h"

#include "base/escape.h"
#include "client/link_json.h"

#include <chrono>
#include <utility>

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace sallyport::client {
namespace json = boost::json;
namespace {

/// In UTC, as in the gateway's access log.
std::string timestamp() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), (now - seconds).count());
}

json::object event(std::string_view name) {
  return {{"event", name}, {"time", timestamp()}};
}

json::object event(std::string_view name, const TunDeviceFigures& device) {
  json::object object = event(name);
  object["device"] = device.device;
  return object;
}

std::string line_of(const json::object& object) {
  return escaped_json(json::serialize(object)) + "\n";
}

template <class Item>
json::array texts(const std::vector<Item>& items) {
  json::array array;
  for (const Item& item : items) array.emplace_back(item.to_string());
  return array;
}

json::object device_json(const TunDeviceFigures& device) {
  json::object drops{{"up", json::object()}, {"down", json::object()}};
  for (const TunDrop& drop : device.drops) drops[drop.direction].as_object()[drop.reason] = drop.packets;
  return {{"device", device.device},
          {"open", device.open},
          {"addresses", texts(device.addresses)},
          {"routes", texts(device.routes)},
          {"mtu", device.mtu},
          {"path_budget", device.path_budget},
          {"packets_up", device.packets_up},
          {"packets_down", device.packets_down},
          {"bytes_up", device.bytes_up},
          {"bytes_down", device.bytes_down},
          {"flows", device.flows},
          {"dropped", std::move(drops)}};
}

}  // namespace

void TunEvents::on_opened(const TunDeviceFigures& device) {
  write_(line_of(event("opened", device)));
}

void TunEvents::on_addresses(const TunDeviceFigures& device) {
  json::object object = event("addresses", device);
  object["addresses"] = texts(device.addresses);
  write_(line_of(object));
}

void TunEvents::on_routes(const TunDeviceFigures& device) {
  json::object object = event("routes", device);
  object["routes"] = texts(device.routes);
  write_(line_of(object));
}

void TunEvents::on_mtu(const TunDeviceFigures& device) {
  json::object object = event("mtu", device);
  object["mtu"] = device.mtu;
  object["path_budget"] = device.path_budget;
  write_(line_of(object));
}

void TunEvents::figures(const TunFigures& figures) {
  json::array links, devices;
  for (const dial::LinkFigures& link : figures.links) links.push_back(link_json(link));
  for (const TunDeviceFigures& device : figures.devices) devices.push_back(device_json(device));
  json::object object = event("figures");
  object["open_s"] = in_seconds(figures.open_for);
  object["links"] = std::move(links);
  object["devices"] = std::move(devices);
  write_(line_of(object));
}

void TunEvents::closed(const std::string& reason, const TunFigures& figures) {
  json::object object = event("closed");
  object["reason"] = reason.empty() ? json::value(nullptr) : json::value(reason);
  object["open_s"] = in_seconds(figures.open_for);
  object["bytes_up"] = figures.bytes_up();
  object["bytes_down"] = figures.bytes_down();
  write_(line_of(object));
}

}  // namespace sallyport::client
