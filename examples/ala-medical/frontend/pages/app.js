// Which environment this is, is asked when the page loads: the same image runs in all of them.
const config = await (await fetch("config.json")).json();
const production = config.environment === "production";

const banner = document.getElementById("banner");
banner.className = config.environment;
banner.textContent = production
  ? "✅ Production Environment"
  : `🧪 ${config.environment.toUpperCase()} - TEST DATA ONLY`;
if (!production) {
  document.title = `🧪 [${config.environment.toUpperCase()}] ALA Medical`;
}

async function api(path) {
  const answer = await fetch(`${config.apiUrl}/${path}`);
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  return answer.json();
}

const orders = document.getElementById("orders");
try {
  const [version, list] = await Promise.all([api("version"), api("orders")]);
  document.getElementById("release").textContent = `Frontend ${config.version}, backend ${version.version}`;
  orders.replaceChildren(...list.map((order) => {
    const line = document.createElement("li");
    line.textContent = `${order.quantity} × ${order.item}`;
    return line;
  }));
} catch (error) {
  orders.textContent = `Orders can't be loaded: ${error.message}`;
}
