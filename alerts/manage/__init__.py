"""What people do: create and change rules, acknowledge and resolve alerts, plan maintenance windows."""
