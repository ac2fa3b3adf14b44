const large = document.getElementById("large");
for (const button of document.querySelectorAll(".enlarge")) {
  button.addEventListener("click", () => {
    const picture = button.querySelector("img");
    large.querySelector("img").src = picture.src;
    large.querySelector("p").textContent = picture.alt;
    large.showModal();
  });
}
large.addEventListener("click", (event) => event.target === large && large.close());

// DataTables registers itself with the jQuery that it brings along.
if (document.getElementById("all-runs")) {
  window.$("#all-runs").DataTable({
    pageLength: 25,
    lengthMenu: [25, 100, 1000],
    order: [],
    autoWidth: false,
    layout: { topStart: "searchBuilder", topEnd: "search", bottomStart: ["info", "pageLength"], bottomEnd: "paging" },
    language: { search: "filter:", searchBuilder: { title: { 0: "Conditions", _: "Conditions (%d)" } } },
  });
}
