// Placeholder.
export function ActivityView() {
  return <section className="view" />;
}
