// Placeholder.
export function FirstRun() {
  return <section className="view" />;
}
