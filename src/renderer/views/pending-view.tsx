// Placeholder.
export function PendingView() {
  return <section className="view" />;
}
