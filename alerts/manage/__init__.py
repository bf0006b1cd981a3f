"""Actions of people: create and change rules, acknowledge and resolve alerts, plan maintenance windows."""
